//! `warden host`: what a real sshd does with the files it renders, and what it finds on a host.

mod crash;
mod drift;
mod lines;
mod matrix;
mod refusals;
mod scene;
mod written;
