//! The WIT contract as Rust, all of it generated. Each optional export has a world of its own.
#![allow(unsafe_code, missing_docs, unreachable_pub, rust_2018_idioms, clippy::all, clippy::pedantic)]

wit_bindgen::generate!({
    path: "../wit",
    world: "actor-with-hooks",
    pub_export_macro: true,
    generate_all,
});

pub mod watching {
    wit_bindgen::generate!({
        path: "../wit",
        world: "watching",
        pub_export_macro: true,
        generate_all,
    });
}

pub mod gated {
    wit_bindgen::generate!({
        path: "../wit",
        world: "gated",
        pub_export_macro: true,
        generate_all,
    });
}

pub mod supervising {
    wit_bindgen::generate!({
        path: "../wit",
        world: "supervising",
        pub_export_macro: true,
        generate_all,
    });
}

pub mod calling_back {
    wit_bindgen::generate!({
        path: "../wit",
        world: "calling-back",
        pub_export_macro: true,
        generate_all,
    });
}

pub mod mailbox_plugin {
    wit_bindgen::generate!({
        path: "../wit",
        world: "mailbox-plugin",
        pub_export_macro: true,
        generate_all,
    });
}

/// The draft of `wasi:logging`, which only an actor that logs imports.
pub mod logging {
    wit_bindgen::generate!({
        inline: "
            package wasi:logging@0.1.0-draft;

            interface logging {
                enum level { trace, debug, info, warn, error, critical }
                log: func(level: level, context: string, message: string);
            }

            world imports {
                import logging;
            }
        ",
        generate_all,
    });
}
