//! Any line on the control socket, from either side.

use playhouse_runtime::control::protocol::{Response, decode, decode_response, encode};

/// A request is refused in words that fit into one line, or it is read back as it was.
pub fn control(line: &[u8]) {
    match decode(line) {
        Ok(request) => {
            let again = encode(&request);
            assert_eq!(again.iter().position(|byte| *byte == b'\n'), Some(again.len() - 1));
            assert_eq!(decode(&again), Ok(request));
        }
        Err(refusal) => {
            assert!(["malformed", "version"].contains(&refusal.kind.as_str()) && !refusal.message.is_empty());
            let said = encode(&Response::Error(refusal.clone()));
            assert_eq!(said.iter().position(|byte| *byte == b'\n'), Some(said.len() - 1));
            assert!(matches!(decode_response(&said), Ok(Response::Error(heard)) if heard == refusal));
        }
    }
    if let Ok(response) = decode_response(line) {
        let again = encode(&response);
        assert!(decode_response(&again).is_ok());
    }
}
