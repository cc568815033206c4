//! Connects, listens, and looks up names.

use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let (near, far) = ("127.0.0.1:22", "192.0.2.1:80");
        let connected = [near, far].into_iter().any(|to| TcpStream::connect(to).is_ok());
        let listens = TcpListener::bind("127.0.0.1:0").is_ok();
        let sends = UdpSocket::bind("0.0.0.0:0").is_ok_and(|socket| socket.send_to(b"x", far).is_ok());
        let looks_up = "localhost:80".to_socket_addrs().is_ok_and(|mut found| found.next().is_some());
        verdict(ctx, !connected && !listens && !sends && !looks_up)
    },
    ..QUIET
};
