//! HTTP gateways on real sockets, before native actors.

mod answers;
mod connections;
mod crowds;
mod edge;
mod encrypted;
mod play;
