//! Users and groups of the system, by the files that name them. Those of a directory service are in no file: they have numbers here.

use std::path::Path;

/// A group of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadersGroup {
    /// Its name or number, as written in the manifest.
    pub(crate) name: String,
    /// Its number.
    pub(crate) number: u32,
}

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";
/// Maximum size of a file that is read.
const MOST_BYTES: u64 = 4 << 20;

/// The name of a user; `None` when no file has it.
pub(crate) fn user_name(user: u32) -> Option<String> {
    name_in(&read(USERS)?, user)
}

/// The number of a group, by its name or its number; `None` when no file has the name.
pub(crate) fn group_number(group: &str) -> Option<u32> {
    group.parse().ok().or_else(|| number_in(&read(GROUPS)?, group))
}

/// The supplementary groups of a process, if it still is one of this user; `None` when the system does not tell.
pub(crate) fn groups_of(process: i32, user: u32) -> Option<Vec<u32>> {
    groups_in(&read(format!("/proc/{process}/status"))?, user)
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The first field of the line whose third one is this number: users and groups have the same form.
fn name_in(file: &str, number: u32) -> Option<String> {
    let fields = file.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut found = fields.filter(|fields| fields.get(2).and_then(|text| text.parse().ok()) == Some(number));
    found.next().map(|fields| fields[0].to_owned())
}

/// The third field of the line whose first one is this name.
fn number_in(file: &str, name: &str) -> Option<u32> {
    let fields = file.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields.filter(|fields| fields[0] == name).find_map(|fields| fields.get(2)?.parse().ok())
}

fn groups_in(status: &str, user: u32) -> Option<Vec<u32>> {
    let values = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().map(|text| text.parse().ok()).collect::<Option<Vec<u32>>>()
    };
    // The second number is that of the effective user.
    (values("Uid:")?.get(1) == Some(&user)).then(|| values("Groups:")).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\nops:x:1005:ada,bob\n\nother:x:1005:\n";

    #[test]
    fn name_and_number_are_those_of_the_first_line_that_fits() {
        assert_eq!((name_in(FILE, 1005).as_deref(), name_in(FILE, 7)), (Some("ops"), None));
        assert_eq!(
            (number_in(FILE, "ops"), number_in(FILE, "broken"), number_in(FILE, "no")),
            (Some(1005), None, None)
        );
        assert_eq!(group_number("1005"), Some(1005), "a number needs no file");
    }

    #[test]
    fn groups_of_a_process_of_another_user_are_not_taken() {
        let status = "Name:\tcat\nUid:\t5\t6\t6\t6\nGid:\t7\t7\t7\t7\nGroups:\t8 1005 \nVmPeak:\t1 kB\n";
        assert_eq!(groups_in(status, 6), Some(vec![8, 1005]));
        assert_eq!((groups_in(status, 5), groups_in("Groups:\t1\n", 5)), (None, None));
    }

    #[test]
    fn own_groups_are_read() {
        let me = rustix::process::geteuid().as_raw();
        let mine = groups_of(std::process::id().cast_signed(), me);
        let known = rustix::process::getgroups().expect("they can be read");
        assert_eq!(mine.map(|mine| mine.len()), Some(known.len()));
    }
}
