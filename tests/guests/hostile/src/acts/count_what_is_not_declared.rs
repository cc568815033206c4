//! Counts undeclared names, and observes values that would break a sum.

use playhouse_sdk::MetricError;

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let names = ["", "Orders", "orders_total", "x\n# TYPE x counter\nx 1", "é", "{}", &"x".repeat(1 << 20)];
        let undeclared = |name: &str| matches!(ctx.count(name, 1), Err(MetricError::Undeclared(_)));
        let bad = |value| matches!(ctx.observe("amount", value), Err(MetricError::BadValue(_)));
        let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -f64::MIN_POSITIVE];
        verdict(ctx, names.into_iter().all(undeclared) && values.into_iter().all(bad))
    },
    ..QUIET
};
