//! Makes a request with a method name of 8 MB.

use wasip2::http::types::{Fields, Method, OutgoingRequest};

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| {
        let request = OutgoingRequest::new(Fields::new());
        let _ = request.set_method(&Method::Other("M".repeat(8 << 20)));
        Ok(())
    },
    ..QUIET
};
