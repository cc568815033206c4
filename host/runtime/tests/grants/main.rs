//! `[actor.grants]`, and subtrees of `sends_to` in a module: the grants that a manifest gives, and the messages for faults.

mod secrets;
mod subtrees;

use std::path::Path;

use expect_test::{Expect, expect};
use playhouse_runtime::manifest::{PlaySettings, PluginFolder, Problems, Source, understand};
use tempfile::TempDir;

/// A manifest's folder, with `plugins`, `data` and a file in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["plugins", "data"] {
        std::fs::create_dir(folder.path().join(name)).expect("ours");
    }
    for name in ["file", "playhouse.toml"] {
        std::fs::write(folder.path().join(name), "").expect("ours");
    }
    folder
}

fn understood(folder: &TempDir, text: &str) -> Result<PlaySettings, Problems> {
    let source = Source::new(Path::new("playhouse.toml"), text.to_owned());
    let names = ["count", "worker"].map(str::to_owned).into();
    understand(source, folder.path(), |_| PluginFolder { names: Ok(names) })
}

/// The play of one actor with these lines.
fn granted(lines: &str) -> PlaySettings {
    let text = format!("[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n[actor.grants]\n{lines}\n");
    understood(&folder(), &text).unwrap_or_else(|problems| panic!("{}", problems.render(false)))
}

fn check(text: &str, expected: Expect) {
    let folder = folder();
    let message = match understood(&folder, text.trim_start_matches('\n')) {
        Ok(_) => "fine\n".to_owned(),
        Err(problems) => format!("stderr:\n{}", problems.render(false)),
    };
    expected.assert_eq(&message.replace(folder.path().to_str().expect("text"), "FOLDER"));
}

fn check_grants(lines: &str, expected: Expect) {
    check(&format!("[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n[actor.grants]\n{lines}\n"), expected);
}

#[test]
fn grants_are_read_as_written() {
    let play = granted(
        r#"
env = ["PATH", "MODE=a=b", "NO_SUCH_VARIABLE_HERE"]
dirs = [{ host = "data", guest = "/data", mode = "write" }, { host = ".", guest = "/" }]
hosts = ["https://api.example.com", "http://localhost:8080"]
networks = ["10.1.0.0/16"]
"#,
    );
    let actor = &play.actors[0].settings;
    let env: Vec<_> = actor.grants.env.iter().map(|v| (&*v.name, v.from_host)).collect();
    assert_eq!(env, [("PATH", true), ("MODE", false)]);
    assert_eq!(actor.grants.env[0].value, std::env::var("PATH").expect("cargo sets it"));
    assert_eq!(actor.grants.env[1].value, "a=b");
    assert_eq!(actor.absent_env, ["NO_SUCH_VARIABLE_HERE"]);
    let dirs: Vec<_> = actor.grants.dirs.iter().map(|dir| (dir.guest(), dir.is_writable())).collect();
    assert_eq!(dirs, [("/data", true), ("/", false)]);
    assert_eq!((actor.grants.hosts.len(), actor.grants.networks.len(), actor.grants.requests), (2, 1, 16));
}

#[test]
fn nothing_is_granted_by_default() {
    let text = "[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n[[plugin]]\nname = \"worker\"\n";
    let play = understood(&folder(), text).expect("fine");
    for settings in play.settings() {
        let grants = &settings.grants;
        assert!(grants.env.is_empty() && grants.dirs.is_empty() && grants.hosts.is_empty());
        assert!(play.sends_to_written(settings).is_empty());
    }
}

#[test]
fn actor_with_outside_access_gets_batches_of_one_by_default() {
    let batch = |lines: &str| granted(lines).actors[0].settings.batch;
    assert_eq!(batch("env = [\"PATH\"]"), 256);
    assert_eq!(batch("dirs = [{ host = \"data\", guest = \"/data\" }]"), 1);
    assert_eq!(batch("hosts = [\"https://a.com\"]"), 1);
    let text = "[[actor]]\naddress = \"/a\"\nplugin = \"count\"\nbatch = 8\ngrants = { hosts = [\"https://a.com\"] }\n";
    assert_eq!(understood(&folder(), text).expect("fine").actors[0].settings.batch, 8);
}

#[test]
fn limit_of_requests_is_read() {
    let text = "[[actor]]\naddress = \"/a\"\nplugin = \"count\"\nlimits = { requests = 3 }\n";
    assert_eq!(understood(&folder(), text).expect("fine").actors[0].settings.grants.requests, 3);
}

#[test]
fn bad_variables_are_refused() {
    check_grants(
        r#"env = ["", "=x", "A B", "LANG=a", "LANG"]"#,
        expect![[r#"
            stderr:
              × `` is no variable
               ╭─[playhouse.toml:5:8]
             4 │ [actor.grants]
             5 │ env = ["", "=x", "A B", "LANG=a", "LANG"]
               ·        ─┬
               ·         ╰── here
               ╰────
              help: `env` is a list of names and of values, as in ["LANG", "MODE=test"]

              × `=x` is no variable
               ╭─[playhouse.toml:5:12]
             4 │ [actor.grants]
             5 │ env = ["", "=x", "A B", "LANG=a", "LANG"]
               ·            ──┬─
               ·              ╰── here
               ╰────
              help: `env` is a list of names and of values, as in ["LANG", "MODE=test"]

              × `A B` is no variable
               ╭─[playhouse.toml:5:18]
             4 │ [actor.grants]
             5 │ env = ["", "=x", "A B", "LANG=a", "LANG"]
               ·                  ──┬──
               ·                    ╰── here
               ╰────
              help: `env` is a list of names and of values, as in ["LANG", "MODE=test"]

              × `LANG` is granted twice
               ╭─[playhouse.toml:5:35]
             4 │ [actor.grants]
             5 │ env = ["", "=x", "A B", "LANG=a", "LANG"]
               ·                         ────┬───  ───┬──
               ·                             │        ╰── again here
               ·                             ╰── first here
               ╰────
              help: leave one of them out

            4 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn missing_folder_is_refused() {
    check_grants(
        r#"dirs = [{ host = "dta", guest = "/data" }, { host = "file", guest = "/file" }]"#,
        expect![[r#"
            stderr:
              × cannot open the folder `FOLDER/dta`: No such file or directory (os error 2)
               ╭─[playhouse.toml:5:18]
             4 │ [actor.grants]
             5 │ dirs = [{ host = "dta", guest = "/data" }, { host = "file", guest = "/file" }]
               ·                  ──┬──
               ·                    ╰── here
               ╰────
              help: a folder is relative to the manifest, and must be there before the host starts

              × cannot open the folder `FOLDER/file`: Not a directory (os error 20)
               ╭─[playhouse.toml:5:53]
             4 │ [actor.grants]
             5 │ dirs = [{ host = "dta", guest = "/data" }, { host = "file", guest = "/file" }]
               ·                                                     ───┬──
               ·                                                        ╰── here
               ╰────
              help: a folder is relative to the manifest, and must be there before the host starts

            2 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn growth_of_a_read_only_folder_is_refused() {
    check_grants(
        r#"dirs = [{ host = "data", guest = "/data", growth = "1GiB" }]"#,
        expect![[r#"
        stderr:
          × `growth` of a folder that the actor may not write to
           ╭─[playhouse.toml:5:52]
         4 │ [actor.grants]
         5 │ dirs = [{ host = "data", guest = "/data", growth = "1GiB" }]
           ·                                                    ───┬──
           ·                                                       ╰── here
           ╰────
          help: leave it out, or say `mode = "write"`

    "#]],
    );
    let text = r#"dirs = [{ host = "data", guest = "/data", mode = "write", growth = "1KiB" }]"#;
    assert_eq!(granted(text).actors[0].settings.grants.dirs.len(), 1);
}

#[test]
fn unknown_mode_is_refused() {
    check_grants(
        r#"dirs = [{ host = "data", guest = "/data", mode = "rw" }]"#,
        expect![[r#"
        stderr:
          × `rw` is not possible here
           ╭─[playhouse.toml:5:50]
         4 │ [actor.grants]
         5 │ dirs = [{ host = "data", guest = "/data", mode = "rw" }]
           ·                                                  ──┬─
           ·                                                    ╰── here
           ╰────
          help: possible are `read`, `write`

    "#]],
    );
}

#[test]
fn bad_guest_paths_are_refused() {
    check_grants(
        r#"dirs = [{ host = "data", guest = "data" }, { host = "data", guest = "/a/../b" }, { host = "data", guest = "/x" }, { host = "data", guest = "/x" }]"#,
        expect![[r#"
            stderr:
              × `data` is no path for a guest
               ╭─[playhouse.toml:5:34]
             4 │ [actor.grants]
             5 │ dirs = [{ host = "data", guest = "data" }, { host = "data", guest = "/a/../b" }, { host = "data", guest = "/x" }, { host = "data", guest = "/x" }]
               ·                                  ───┬──
               ·                                     ╰── did you mean "/data"?
               ╰────
              help: it begins with `/`, and has no `.`, no `..` and no empty name in it, as in "/data"

              × `/a/../b` is no path for a guest
               ╭─[playhouse.toml:5:69]
             4 │ [actor.grants]
             5 │ dirs = [{ host = "data", guest = "data" }, { host = "data", guest = "/a/../b" }, { host = "data", guest = "/x" }, { host = "data", guest = "/x" }]
               ·                                                                     ────┬────
               ·                                                                         ╰── here
               ╰────
              help: it begins with `/`, and has no `.`, no `..` and no empty name in it, as in "/data"

              × two folders are `/x` to the actor
               ╭─[playhouse.toml:5:140]
             4 │ [actor.grants]
             5 │ dirs = [{ host = "data", guest = "data" }, { host = "data", guest = "/a/../b" }, { host = "data", guest = "/x" }, { host = "data", guest = "/x" }]
               ·                                                                                                           ──┬─                             ──┬─
               ·                                                                                                             │                                ╰── again here
               ·                                                                                                             ╰── first here
               ╰────
              help: give one of them another name

            3 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn write_access_to_code_or_manifest_is_refused() {
    check_grants(
        r#"dirs = [{ host = ".", guest = "/all", mode = "write" }, { host = "plugins", guest = "/p", mode = "write" }]"#,
        expect![[r#"
            stderr:
              × an actor that may write to `FOLDER/.` can change the plugins of this play
               ╭─[playhouse.toml:5:18]
             4 │ [actor.grants]
             5 │ dirs = [{ host = ".", guest = "/all", mode = "write" }, { host = "plugins", guest = "/p", mode = "write" }]
               ·                  ─┬─
               ·                   ╰── here
               ╰────
              help: give it a folder of its own, or `mode = "read"`

              × an actor that may write to `FOLDER/.` can change the manifest of this play
               ╭─[playhouse.toml:5:18]
             4 │ [actor.grants]
             5 │ dirs = [{ host = ".", guest = "/all", mode = "write" }, { host = "plugins", guest = "/p", mode = "write" }]
               ·                  ─┬─
               ·                   ╰── here
               ╰────
              help: give it a folder of its own, or `mode = "read"`

              × an actor that may write to `FOLDER/.` can change the folder `.playhouse` of this play
               ╭─[playhouse.toml:5:18]
             4 │ [actor.grants]
             5 │ dirs = [{ host = ".", guest = "/all", mode = "write" }, { host = "plugins", guest = "/p", mode = "write" }]
               ·                  ─┬─
               ·                   ╰── here
               ╰────
              help: give it a folder of its own, or `mode = "read"`

              × an actor that may write to `FOLDER/plugins` can change the plugins of this play
               ╭─[playhouse.toml:5:66]
             4 │ [actor.grants]
             5 │ dirs = [{ host = ".", guest = "/all", mode = "write" }, { host = "plugins", guest = "/p", mode = "write" }]
               ·                                                                  ────┬────
               ·                                                                      ╰── here
               ╰────
              help: give it a folder of its own, or `mode = "read"`

            4 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn bad_hosts_are_refused() {
    check_grants(
        r#"hosts = ["api.example.com", "https://a.com/path", "ftp://a.com", "https://a.*.com"]"#,
        expect![[r#"
            stderr:
              × `api.example.com` has no scheme: it must begin with https:// or http://, as in "https://api.example.com" or "http://localhost:8080"
               ╭─[playhouse.toml:5:10]
             4 │ [actor.grants]
             5 │ hosts = ["api.example.com", "https://a.com/path", "ftp://a.com", "https://a.*.com"]
               ·          ────────┬────────
               ·                  ╰── did you mean "https://api.example.com"?
               ╰────

              × `https://a.com/path` has a path, a query or a user: a grant is scheme, host and port, as in "https://api.example.com" or "http://localhost:8080"
               ╭─[playhouse.toml:5:29]
             4 │ [actor.grants]
             5 │ hosts = ["api.example.com", "https://a.com/path", "ftp://a.com", "https://a.*.com"]
               ·                             ──────────┬─────────
               ·                                       ╰── here
               ╰────

              × `ftp://a.com` has a scheme other than HTTP: it must begin with https:// or http://, as in "https://api.example.com" or "http://localhost:8080"
               ╭─[playhouse.toml:5:51]
             4 │ [actor.grants]
             5 │ hosts = ["api.example.com", "https://a.com/path", "ftp://a.com", "https://a.*.com"]
               ·                                                   ──────┬──────
               ·                                                         ╰── here
               ╰────

              × `https://a.*.com` has a `*` in the middle: only the first label may be one, as in "https://*.example.com"
               ╭─[playhouse.toml:5:66]
             4 │ [actor.grants]
             5 │ hosts = ["api.example.com", "https://a.com/path", "ftp://a.com", "https://a.*.com"]
               ·                                                                  ────────┬────────
               ·                                                                          ╰── here
               ╰────

            4 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn bad_networks_are_refused() {
    check_grants(
        r#"networks = ["10.1.2.3/16", "intranet"]"#,
        expect![[r#"
            stderr:
              × `10.1.2.3/16` is no network
               ╭─[playhouse.toml:5:13]
             4 │ [actor.grants]
             5 │ networks = ["10.1.2.3/16", "intranet"]
               ·             ──────┬──────
               ·                   ╰── did you mean "10.1.0.0/16"?
               ╰────
              help: a network is an address, or one with a prefix, as in "10.1.0.0/16"

              × `networks` without `hosts` opens nothing
               ╭─[playhouse.toml:5:13]
             4 │ [actor.grants]
             5 │ networks = ["10.1.2.3/16", "intranet"]
               ·             ──────┬──────
               ·                   ╰── here
               ╰────
              help: add `hosts` with the hosts to allow: `networks` has only the networks that they may be in

              × `intranet` is no network
               ╭─[playhouse.toml:5:28]
             4 │ [actor.grants]
             5 │ networks = ["10.1.2.3/16", "intranet"]
               ·                            ─────┬────
               ·                                 ╰── here
               ╰────
              help: a network is an address, or one with a prefix, as in "10.1.0.0/16"

            3 problems in playhouse.toml
        "#]],
    );
}

#[test]
fn unknown_grant_is_refused() {
    check_grants(
        r#"sockets = ["127.0.0.1:80"]"#,
        expect![[r#"
            stderr:
              × unknown key `sockets`
               ╭─[playhouse.toml:5:1]
             4 │ [actor.grants]
             5 │ sockets = ["127.0.0.1:80"]
               · ───┬───
               ·    ╰── did you mean `secrets`?
               ╰────
              help: the keys here are `env`, `dirs`, `hosts`, `networks`, `secrets`

        "#]],
    );
}
