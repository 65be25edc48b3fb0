//! From one CA to the next and back, at the door of a real `sshd`.

mod drain;
mod engine;
mod evidence;
mod faults;
mod gates;
mod prober;
mod refusals;
mod rehearsal;
mod retire;
mod site;
mod switch;
mod trust;
mod walk;
