//! Makes as many requests as it can, each with a head of nearly the largest size, and keeps them.

use wasip2::http::types::{Fields, Method, OutgoingRequest};

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| {
        let mut kept = Vec::new();
        loop {
            let fields = Fields::new();
            let _ = fields.append("x", &vec![b'x'; 30_000]);
            let request = OutgoingRequest::new(fields);
            let _ = request.set_method(&Method::Other("M".repeat(35_000)));
            kept.push(request);
        }
    },
    ..QUIET
};
