//! One run of one workload by one subject, in this process.

use anyhow::{Result, bail};

use crate::figure::Figures;
use crate::native::actix::Actix;
use crate::native::kameo::Kameo;
use crate::native::ractor::Ractor;
use crate::workload::{Subject, Work, Workload};
use crate::{native, playhouse, raw};

/// Runs the workload once.
pub(crate) fn run(workload: &Workload, subject: Subject, quick: bool) -> Result<Figures> {
    let (work, units) = (workload.work, if quick { workload.quick } else { workload.units });
    match subject {
        Subject::Playhouse => playhouse::run(work, units, true),
        Subject::PlayhouseUnbatched => playhouse::run(work, units, false),
        Subject::RawWasmtime => match work {
            Work::BatchOfOne => raw::run(units),
            other => bail!("raw wasmtime has no {other:?}"),
        },
        Subject::Ractor => native::run::<Ractor>(work, units),
        Subject::Kameo => native::run::<Kameo>(work, units),
        Subject::Actix => native::run::<Actix<1>>(work, units),
        Subject::ActixTwo => native::run::<Actix<2>>(work, units),
    }
}
