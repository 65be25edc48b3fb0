//! From one CA to the next and back, at the door of a real `sshd`.

mod gates;
mod site;
mod trust;
mod walk;
