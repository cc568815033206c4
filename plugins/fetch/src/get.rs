//! One request through `wasi:http`, from its method to the end of the response. A client library for components does the same.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{ErrorCode, Fields, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

/// The status, and the body.
pub(crate) fn get(scheme: &str, authority: &str, path: &str) -> Result<(u16, Vec<u8>), ErrorCode> {
    let request = OutgoingRequest::new(Fields::new());
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let said = request
        .set_scheme(Some(&scheme))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(path)));
    said.map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    let response = handle(request, None)?;
    response.subscribe().block();
    let response = response.get().and_then(Result::ok).unwrap_or(Err(ErrorCode::HttpResponseIncomplete))?;
    let status = response.status();
    let body = response.consume().map_err(|()| ErrorCode::HttpResponseIncomplete)?;
    let stream = body.stream().map_err(|()| ErrorCode::HttpResponseIncomplete)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => return Ok((status, bytes)),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(wasip2::http::types::http_error_code(&error).unwrap_or(ErrorCode::HttpResponseIncomplete));
            }
        }
    }
}

/// Whether another attempt would fail in the same way.
pub(crate) fn is_final(error: &ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::HttpRequestDenied
            | ErrorCode::HttpRequestUriInvalid
            | ErrorCode::DestinationIpProhibited
            | ErrorCode::TlsCertificateError
    )
}
