//! Makes fields with the most names that fit, deletes them, does the same with the most values of one name, and keeps the empty
//! fields, in an endless loop.

use wasip2::http::types::Fields;

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| {
        let mut kept = Vec::new();
        let entries: Vec<_> = (0..440).map(|n| (format!("x{n}"), Vec::new())).collect();
        let values = vec![Vec::new(); 900];
        loop {
            let fields = Fields::from_list(&entries).expect("there is room for one");
            for (n, (name, _)) in entries.iter().enumerate() {
                // Many names, or many values of one name.
                let _ = if n % 2 == 0 { fields.delete(name) } else { fields.set(name, &[]) };
            }
            let _ = fields.set("y", &values);
            let _ = fields.delete("y");
            kept.push(fields);
        }
    },
    ..QUIET
};
