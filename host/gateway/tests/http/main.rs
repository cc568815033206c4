//! HTTP gateways on real sockets, before native actors.

mod answers;
mod connections;
mod edge;
mod encrypted;
mod play;
