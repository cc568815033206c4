//! Runs this program again under callgrind. Valgrind runs a program without the kernel's vDSO and removes the vDSO from
//! `/proc/self/auxv`. Older versions such as 3.19 do not change the answer of `prctl(PR_GET_AUXV)` of Linux 6.4, and a program
//! that uses this answer reads unmapped memory. A filter makes the call fail, so that programs read the file instead.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

const PR_GET_AUXV: u64 = 0x4155_5856;

/// Replaces this process by callgrind, which runs the work, counts only within `function`, and writes to the file. Returns only
/// on an error.
pub(crate) fn exec(file: &str, function: &str, work: &[&str]) -> io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    if let Err(error) = filter().map_err(io::Error::other).and_then(|filter| {
        // The filter holds for this process, and thus for the program that replaces it.
        seccompiler::apply_filter(&filter).map_err(io::Error::other)
    }) {
        return error;
    }
    let mut callgrind = Command::new("valgrind");
    callgrind.args(["--quiet", "--tool=callgrind", "--collect-atstart=no"]);
    callgrind.arg(format!("--toggle-collect={function}")).arg(format!("--callgrind-out-file={file}"));
    callgrind.arg(program).args(work).exec()
}

/// A filter that makes `prctl(PR_GET_AUXV)` fail as on a kernel without this call.
fn filter() -> Result<BpfProgram, BackendError> {
    let is_it = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, PR_GET_AUXV)?;
    let rules = BTreeMap::from([(libc::SYS_prctl, vec![SeccompRule::new(vec![is_it])?])]);
    let unknown = SeccompAction::Errno(libc::EINVAL.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, unknown, std::env::consts::ARCH.try_into()?)?.try_into()
}
