//! The files of plugins: bad names, missing files, digests.

use expect_test::expect;

use crate::message::{check, check_actor};

#[test]
fn plugin_outside_of_its_folder_is_refused() {
    check(
        "[[actor]]\naddress = \"/a\"\nplugin = \"../../etc/passwd\"\n",
        expect![[r#"
            stderr:
              × `../../etc/passwd` is no name of a plugin
               ╭─[playhouse.toml:3:10]
             2 │ address = "/a"
             3 │ plugin = "../../etc/passwd"
               ·          ─────────┬────────
               ·                   ╰── here
               ╰────
              help: a plugin is named by letters, digits, `_` and `-`: the file NAME.wasm in the plugins folder `plugins`

        "#]],
    );
    check(
        "[[actor]]\naddress = \"/a\"\nplugin = \"count.wasm\"\n",
        expect![[r#"
            stderr:
              × `count.wasm` is no name of a plugin
               ╭─[playhouse.toml:3:10]
             2 │ address = "/a"
             3 │ plugin = "count.wasm"
               ·          ──────┬─────
               ·                ╰── did you mean "count"?
               ╰────
              help: a plugin is named by letters, digits, `_` and `-`: the file NAME.wasm in the plugins folder `plugins`

        "#]],
    );
}

#[test]
fn missing_plugin_is_refused() {
    check(
        "[[actor]]\naddress = \"/a\"\nplugin = \"cuont\"\n",
        expect![[r#"
            stderr:
              × there is no plugin `cuont`: no file `plugins/cuont.wasm`
               ╭─[playhouse.toml:3:10]
             2 │ address = "/a"
             3 │ plugin = "cuont"
               ·          ───┬───
               ·             ╰── did you mean "count"?
               ╰────
              help: the folder `plugins` has `count`, `report`, `split`

        "#]],
    );
}

#[test]
fn bad_digest_is_refused() {
    check_actor(
        "sha256 = \"9f86d081…\"",
        expect![[r#"
            stderr:
              × this is no SHA-256 digest
               ╭─[playhouse.toml:4:10]
             3 │ plugin = "count"
             4 │ sha256 = "9f86d081…"
               ·          ─────┬─────
               ·               ╰── 9 characters
               ╰────
              help: a digest is 64 hexadecimal digits; `playhouse inspect FILE.wasm` prints it

        "#]],
    );
}
