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

pub mod sharing {
    wit_bindgen::generate!({
        path: "../wit",
        world: "sharing",
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

/// The standard streams, for an actor that is exported with `no_files`. The version differs from that of the C library, whose
/// packages have more functions: packages of one version must be equal.
pub mod stdio {
    wit_bindgen::generate!({
        inline: "
            package playhouse:stdio;

            world imports {
                import wasi:cli/stdout@0.2.1;
                import wasi:cli/stderr@0.2.1;
            }

            package wasi:cli@0.2.1 {
                interface stdout {
                    use wasi:io/streams@0.2.1.{output-stream};
                    get-stdout: func() -> output-stream;
                }

                interface stderr {
                    use wasi:io/streams@0.2.1.{output-stream};
                    get-stderr: func() -> output-stream;
                }
            }

            package wasi:io@0.2.1 {
                interface error {
                    resource error;
                }

                interface streams {
                    use error.{error};

                    variant stream-error {
                        last-operation-failed(error),
                        closed,
                    }

                    resource output-stream {
                        blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
                    }
                }
            }
        ",
        world: "playhouse:stdio/imports",
        generate_all,
    });
}
