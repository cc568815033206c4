//! Sources and sinks of files, and sinks that post: the keys of each kind.

use expect_test::expect;
use playhouse_runtime::manifest::{SinkTarget, SourceOrigin};

use crate::message::{check, understood};

/// An actor, and a source that tells it, with these lines.
fn source(lines: &str) -> String {
    format!(
        "[[actor]]\naddress = \"/a\"\nplugin = \"count\"\nlimits = {{ message = \"1KiB\" }}\n[[source]]\nname = \"log\"\ntell = \"/a\"\n{lines}\n"
    )
}

fn sink(lines: &str) -> String {
    format!("[[sink]]\naddress = \"/out\"\n{lines}\n")
}

#[test]
fn file_source_takes_lines_that_its_receiver_takes() {
    let play = understood(&source("kind = \"file\"\npath = \"a.log\"\nfrom = \"start\"")).expect("sound");
    let SourceOrigin::File(file) = &play.sources[0].from else { panic!("a file") };
    assert_eq!((file.path.to_str(), file.most_bytes), (Some("a.log"), 1024));
    check(
        &source("kind = \"file\"\nstream = \"x\""),
        expect![[r#"
        stderr:
          × `path` is missing
           ╭─[playhouse.toml:8:8]
         7 │ tell = "/a"
         8 │ kind = "file"
           ·        ───┬──
           ·           ╰── this kind needs it
         9 │ stream = "x"
           ╰────
          help: add it, as in path = "orders.log"

          × `stream` has no meaning with kind = "file"
           ╭─[playhouse.toml:9:10]
         8 │ kind = "file"
         9 │ stream = "x"
           ·          ─┬─
           ·           ╰── here
           ╰────
          help: leave it out, or choose another kind

        2 problems in playhouse.toml
    "#]],
    );
    check(
        &source("kind = \"redis\"\nurl = \"redis://a\"\nstream = \"x\"\npath = \"y\""),
        expect![[r#"
        stderr:
          × `path` has no meaning with kind = "redis"
            ╭─[playhouse.toml:11:8]
         10 │ stream = "x"
         11 │ path = "y"
            ·        ─┬─
            ·         ╰── here
            ╰────
          help: leave it out, or choose another kind

    "#]],
    );
}

#[test]
fn file_sink_has_keys_of_its_own() {
    let text = sink("kind = \"file\"\npath = \"a.log\"\nframe = \"json\"\nrotate = { size = \"1MiB\" }\nsync = false");
    let play = understood(&text).expect("sound");
    let SinkTarget::File(file) = &play.sinks[0].to else { panic!("a file") };
    let rotation = file.rotation.expect("it is written");
    assert_eq!((rotation.bytes, rotation.keep, file.sync), (1 << 20, 5, false));
    check(
        &sink("kind = \"file\"\npath = \"a.log\"\ntimeout = \"1s\"\nurl = \"http://a\""),
        expect![[r#"
        stderr:
          × `timeout` has no meaning with kind = "file"
           ╭─[playhouse.toml:5:11]
         4 │ path = "a.log"
         5 │ timeout = "1s"
           ·           ──┬─
           ·             ╰── here
         6 │ url = "http://a"
           ╰────
          help: leave it out, or choose another kind

          × `url` has no meaning with kind = "file"
           ╭─[playhouse.toml:6:7]
         5 │ timeout = "1s"
         6 │ url = "http://a"
           ·       ─────┬────
           ·            ╰── here
           ╰────
          help: leave it out, or choose another kind

        2 problems in playhouse.toml
    "#]],
    );
    check(
        &sink("kind = \"file\"\npath = \"/\""),
        expect![[r#"
        stderr:
          × `/` is a folder
           ╭─[playhouse.toml:4:8]
         3 │ kind = "file"
         4 │ path = "/"
           ·        ─┬─
           ·         ╰── here
           ╰────
          help: `path` is the name of a file

    "#]],
    );
}

#[test]
fn http_sink_has_a_url_of_a_server() {
    let play = understood(&sink("kind = \"http\"\nurl = \"https://example.com/hook\"")).expect("sound");
    assert!(matches!(&play.sinks[0].to, SinkTarget::Http(to) if to.timeout.as_secs() == 10 && to.bearer.is_none()));
    check(
        &sink("kind = \"http\"\nurl = \"nats://a\"\nframe = \"json\""),
        expect![[r#"
        stderr:
          × this is no url of such a broker
           ╭─[playhouse.toml:4:7]
         3 │ kind = "http"
         4 │ url = "nats://a"
           ·       ─────┬────
           ·            ╰── here
         5 │ frame = "json"
           ╰────
          help: a url begins with `http://` or `https://`

          × `frame` has no meaning with kind = "http"
           ╭─[playhouse.toml:5:9]
         4 │ url = "nats://a"
         5 │ frame = "json"
           ·         ───┬──
           ·            ╰── here
           ╰────
          help: leave it out, or choose another kind

        2 problems in playhouse.toml
    "#]],
    );
    check(
        &sink("kind = \"http\"\nurl = \"http://user@a\""),
        expect![[r#"
        stderr:
          × this is no url of a server
           ╭─[playhouse.toml:4:7]
         3 │ kind = "http"
         4 │ url = "http://****@a"
           ·       ───────┬───────
           ·              ╰── here
           ╰────
          help: a url of a server is http:// or https://, a name, and a path, without a user

    "#]],
    );
}

#[test]
fn token_of_a_sink_is_a_secret_and_needs_encryption() {
    let with = |url: &str| {
        let keys = format!("kind = \"http\"\nurl = \"{url}\"\nauth = {{ bearer = \"HOOK\" }}");
        sink(&format!("{keys}\n[secrets]\nHOOK = {{ env = \"HOOK\" }}"))
    };
    for good in ["https://example.com/hook", "http://127.0.0.1:8080", "http://[::1]/", "http://localhost"] {
        let play = understood(&with(good)).expect("sound");
        assert!(matches!(&play.sinks[0].to, SinkTarget::Http(to) if to.bearer == play.secrets.named("HOOK")), "{good}");
    }
    check(
        &with("http://example.com/hook"),
        expect![[r#"
        stderr:
          × the token would be sent to `example.com` without encryption
           ╭─[playhouse.toml:5:8]
         3 │ kind = "http"
         4 │ url = "http://example.com/hook"
           ·       ────────────┬────────────
           ·                   ╰── not encrypted
         5 │ auth = { bearer = "HOOK" }
           ·        ─────────┬─────────
           ·                 ╰── here
         6 │ [secrets]
           ╰────
          help: write https:// in place of http://, or leave `auth` out; http:// is for a server on this machine

    "#]],
    );
    check(
        &sink("kind = \"http\"\nurl = \"https://a\"\nauth = { bearer = \"HOOK\" }"),
        expect![[r#"
        stderr:
          × no secret has the name `HOOK`
           ╭─[playhouse.toml:5:19]
         4 │ url = "https://a"
         5 │ auth = { bearer = "HOOK" }
           ·                   ───┬──
           ·                      ╰── here
           ╰────
          help: add it to [secrets], as in API_TOKENS = { env = "API_TOKENS" }

    "#]],
    );
    check(
        &sink("kind = \"file\"\npath = \"a\"\nauth = { bearer = \"HOOK\" }"),
        expect![[r#"
        stderr:
          × `auth` has no meaning with kind = "file"
           ╭─[playhouse.toml:5:8]
         4 │ path = "a"
         5 │ auth = { bearer = "HOOK" }
           ·        ─────────┬─────────
           ·                 ╰── here
           ╰────
          help: leave it out, or choose another kind

    "#]],
    );
}

#[test]
fn file_has_one_sink() {
    let two = "kind = \"file\"\npath = \"a.log\"\n[[sink]]\naddress = \"/other\"\nkind = \"file\"\npath = \"./a.log\"";
    check(
        &sink(two),
        expect![[r#"
        stderr:
          × two sinks write to `./a.log`
           ╭─[playhouse.toml:8:8]
         3 │ kind = "file"
         4 │ path = "a.log"
           ·        ───┬───
           ·           ╰── and here
         5 │ [[sink]]
         6 │ address = "/other"
         7 │ kind = "file"
         8 │ path = "./a.log"
           ·        ────┬────
           ·            ╰── here
           ╰────
          help: a file has one writer: give one of the sinks another `path`

    "#]],
    );
    let rotated = sink("kind = \"file\"\npath = \"a.log\"\nrotate = { size = \"1MiB\", keep = 2 }");
    let other = |name: &str| format!("{rotated}[[sink]]\naddress = \"/other\"\nkind = \"file\"\npath = \"{name}\"\n");
    assert!(understood(&other("a.log.3")).is_ok());
    let shown = understood(&other("a.log.2")).expect_err("a rotated file").render(false);
    assert!(shown.contains("is a rotated file of one sink"), "{shown}");
}

#[test]
fn source_does_not_read_the_dead_letters() {
    let play = "[play.dead_letters]\nto = \"/out\"\n";
    check(
        &format!("{play}{}{}", source("kind = \"file\"\npath = \"a.log\""), sink("kind = \"file\"\npath = \"a.log\"")),
        expect![[r#"
            stderr:
              × the source reads the dead letters, so that a letter about one of them is read again, without an end
                ╭─[playhouse.toml:11:8]
             10 │ kind = "file"
             11 │ path = "a.log"
                ·        ───┬───
                ·           ╰── read here
             12 │ [[sink]]
             13 │ address = "/out"
             14 │ kind = "file"
             15 │ path = "a.log"
                ·        ───┬───
                ·           ╰── written here
                ╰────
              help: send the letters to another file, and read that with another play

        "#]],
    );
}

#[test]
fn sources_of_sinks_are_known() {
    let text =
        format!("{}{}", source("kind = \"file\"\npath = \"a.log\""), sink("kind = \"file\"\npath = \"./a.log\""));
    let play = understood(&text).expect("the actor does not write to the sink");
    let pairs: Vec<_> = play.sources_of_sinks().iter().map(|(from, to)| format!("{from} {to}")).collect();
    assert_eq!(pairs, ["/gate/log /out"]);
}
