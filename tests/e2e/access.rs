//! The rights of users over the control socket, and the log of their actions: the user of the host acts, members of a group look.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::{Host, actors, command, folder, playhouse};

/// Numbers that no user and no group of the system should have.
const OTHER: u32 = 65_534;
const GROUP: u32 = 54_321;

/// A host whose socket the group reaches, and a copy of the binary that other users reach.
struct Readers {
    host: Host,
    socket: PathBuf,
    binary: PathBuf,
}

/// None without root, who alone can start commands as another user.
fn host_for_readers() -> Option<Readers> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root starts commands as another user");
        return None;
    }
    let manifest = format!("[play.control]\nreaders = \"{GROUP}\"\n{}", actors(&[("/echo", "echo")]));
    let folder = folder(&manifest);
    let (socket, binary) = (folder.path().join("run/s"), folder.path().join("run/playhouse"));
    std::fs::create_dir(folder.path().join("run")).unwrap();
    std::fs::copy(playhouse(), &binary).unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).unwrap();
    open_run(folder.path(), 0o710);
    let host = Host::start(folder, &["--socket", socket.to_str().unwrap(), "--tell", "/echo=x"]);
    Some(Readers { host, socket, binary })
}

/// Gives the folder of the socket to the group, with this mode.
fn open_run(folder: &Path, mode: u32) {
    let run = folder.join("run");
    chown(&run, None, Some(GROUP)).unwrap();
    std::fs::set_permissions(&run, PermissionsExt::from_mode(mode)).unwrap();
}

impl Readers {
    /// The output of a command of another user, with these options of `setpriv` for its groups.
    fn run(&self, groups: &[&str], arguments: &[&str]) -> Output {
        let mut setpriv = Command::new("setpriv");
        setpriv.arg(format!("--reuid={OTHER}")).args(groups).arg(&self.binary).args(arguments);
        setpriv.arg("--socket").arg(&self.socket).current_dir("/").env_remove("RUST_LOG");
        setpriv.output().expect("`setpriv` of util-linux runs")
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn members_of_the_group_look_and_do_not_act() {
    let Some(readers) = host_for_readers() else { return };
    let (host, socket) = (&readers.host, readers.socket.to_str().unwrap());
    let members = [
        vec![format!("--regid={GROUP}"), "--clear-groups".to_owned()],
        vec![format!("--regid={OTHER}"), format!("--groups={GROUP}")],
    ];
    for member in &members {
        let member: Vec<&str> = member.iter().map(String::as_str).collect();
        for arguments in
            [&["tree"][..], &["why", "/echo"], &["health"], &["logs"], &["log-level"], &["dead-letters", "list"]]
        {
            let output = readers.run(&member, arguments);
            assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        }
        for (arguments, command) in [
            (&["stop", "/echo"][..], "stop"),
            (&["start", "/echo"], "start"),
            (&["tell", "/echo", "y"], "tell"),
            (&["dead-letters", "drop", "--all"], "dead-letters drop"),
            (&["log-level", "/echo", "debug"], "log-level"),
        ] {
            let output = readers.run(&member, arguments);
            let text = said(&output);
            assert_eq!(output.status.code(), Some(1), "{text}");
            let wanted = format!("`playhouse {command}` is for user 0, who runs the host, and for root");
            assert!(text.contains(&wanted) && text.contains(&format!("the group `{GROUP}`")), "{text}");
        }
    }
    let log = host.ok(&["logs", "--socket", socket]);
    assert!(log.contains("stop /echo: refused: `playhouse stop` is for user 0"), "{log}");
    assert_eq!(host.ok(&["ask", "/echo", "y", "--socket", socket]), "y", "nothing was done");
}

#[test]
fn users_outside_of_the_group_do_not_reach_the_socket() {
    let Some(readers) = host_for_readers() else { return };
    // The mode of the socket alone keeps them out.
    open_run(readers.host.folder.path(), 0o711);
    let output = readers.run(&[&format!("--regid={OTHER}"), "--clear-groups"], &["tree"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("belongs to user 0, and you are user 65534"), "{text}");
}

#[test]
fn socket_for_readers_belongs_to_their_group() {
    let Some(readers) = host_for_readers() else { return };
    let found = std::fs::metadata(&readers.socket).unwrap();
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (0, GROUP, 0o660));
}

#[test]
fn private_folder_of_the_socket_is_named_in_a_warning() {
    let me = rustix::process::getegid().as_raw();
    let mut host =
        Host::spawn(folder(&format!("[play.control]\nreaders = \"{me}\"\n{}", actors(&[("/echo", "echo")]))), &[]);
    let line = host.wait_for("cannot reach the control socket");
    assert!(line.contains(".playhouse (mode 0700) does not let them through"), "{line}");
}

#[test]
fn group_that_is_not_there_is_an_error_with_its_place() {
    let folder = folder(&format!("[play.control]\nreaders = \"no-such-group\"\n{}", actors(&[("/echo", "echo")])));
    let output = command(folder.path()).arg("run").output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("this system has no group `no-such-group` in /etc/group"), "{text}");
    assert!(text.contains("`readers`") && text.contains("groupadd"), "{text}");
}

#[test]
fn each_action_of_an_operator_is_in_the_log() {
    let host = Host::start(folder(&actors(&[("/echo", "echo")])), &[]);
    host.ok(&["stop", "/echo"]);
    host.ok(&["start", "/echo"]);
    host.ok(&["log-level", "/echo", "debug"]);
    host.ok(&["dead-letters", "drop", "--all"]);
    host.run(&["stop", "/nobody"]);
    host.ok(&["ask", "/echo", "a use"]);
    host.ok(&["tree"]);
    let me = rustix::process::geteuid().as_raw();
    let lines = host.ok(&["logs", "--json"]);
    let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let actions: Vec<_> = lines.filter(|line| line["event"] == "operator-action").collect();
    let shown = actions.iter().map(|line| [&line["command"], &line["of"], &line["result"], &line["reason"]]);
    let shown: Vec<_> = shown.map(|fields| fields.map(|field| field.as_str().unwrap_or("-").to_owned())).collect();
    assert_eq!(
        shown,
        [
            ["stop", "/echo", "done", "-"],
            ["start", "/echo", "done", "-"],
            ["log-level", "/echo debug", "done", "-"],
            ["dead-letters drop", "all", "done", "-"],
            ["stop", "/nobody", "refused", "unknown-address"],
        ]
    );
    assert!(actions.iter().all(|line| line["uid"] == me && line["pid"].is_u64() && line["level"] == "info"));
    assert_eq!(actions[3]["count"], 0);
}
