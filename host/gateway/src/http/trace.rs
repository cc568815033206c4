//! `traceparent`, by which a trace outside becomes the flow of a message: W3C Trace Context, level 1, section 3.2.

use playhouse_kernel::FlowId;

/// Bytes of a version and of the fields that every version begins with: `00-` and 32, 16 and 2 digits.
const BYTES: usize = 55;

/// The trace that a `traceparent` names; `None` for one that is not valid.
pub(super) fn flow(traceparent: &[u8]) -> Option<FlowId> {
    let (known, more) = traceparent.split_at_checked(BYTES)?;
    let mut fields = known.split(|byte| *byte == b'-');
    let mut field = |digits: usize| fields.next().filter(|field| field.len() == digits).and_then(number);
    let (version, trace, parent, _flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    // A later version may have more fields after these.
    let ends_well = match version {
        0 => more.is_empty(),
        _ => more.first().is_none_or(|byte| *byte == b'-'),
    };
    (version != 0xff && trace != 0 && parent != 0 && ends_well).then_some(FlowId(trace))
}

/// The value of hexadecimal digits, which are in lower case.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Some(number << 4 | u128::from(digit - b'0')),
        b'a'..=b'f' => Some(number << 4 | u128::from(digit - b'a' + 10)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_traceparent_gives_its_trace() {
        let trace = Some(FlowId(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736));
        for good in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes",
        ] {
            assert_eq!(flow(good.as_bytes()), trace, "{good}");
        }
    }

    #[test]
    fn invalid_traceparent_gives_none() {
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        ] {
            assert_eq!(flow(bad.as_bytes()), None, "{bad}");
        }
    }
}
