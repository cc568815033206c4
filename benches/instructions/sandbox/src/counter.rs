//! Runs this program anew under callgrind. Valgrind runs a program without the kernel's vDSO. It takes it out of what
//! `/proc/self/auxv` says, but older versions (3.19 is one) let `prctl(PR_GET_AUXV)` of Linux 6.4 through, and whoever
//! believes the answer looks where nothing is. Without that call everybody reads the file.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

const PR_GET_AUXV: u64 = 0x4155_5856;

/// Becomes callgrind, which does this work, counts within `function` alone, and writes to the file. Returns only when
/// that failed.
pub(crate) fn exec(file: &str, function: &str, work: &[&str]) -> io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    if let Err(error) = filter().map_err(io::Error::other).and_then(|filter| {
        // For this process, and so for what it becomes.
        seccompiler::apply_filter(&filter).map_err(io::Error::other)
    }) {
        return error;
    }
    let mut callgrind = Command::new("valgrind");
    callgrind.args(["--quiet", "--tool=callgrind", "--collect-atstart=no"]);
    callgrind.arg(format!("--toggle-collect={function}")).arg(format!("--callgrind-out-file={file}"));
    callgrind.arg(program).args(work).exec()
}

/// Lets that call fail, as it does where the kernel does not know it.
fn filter() -> Result<BpfProgram, BackendError> {
    let is_it = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, PR_GET_AUXV)?;
    let rules = BTreeMap::from([(libc::SYS_prctl, vec![SeccompRule::new(vec![is_it])?])]);
    let unknown = SeccompAction::Errno(libc::EINVAL.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, unknown, std::env::consts::ARCH.try_into()?)?.try_into()
}
