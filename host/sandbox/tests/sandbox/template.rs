//! Components written by hand: a template around the core module that is the actor's code.

/// An actor whose code is `code`: functions of a core module that defines at least
/// `(func (export "handle") (param $body i32) (param $len i32) (result i32) ...)`. It has:
/// - `$reply`, `$done`, `$reject`: make the result to return, from a text's place and length;
/// - the imports of the kernel and of WASI under their names below; `$log` of `wasi:logging` only if the code names it;
/// - the memory, of which the first 1024 bytes are free for the code.
pub fn actor(code: &str) -> Vec<u8> {
    component(code, "", "")
}

/// As [`actor`], with hooks: `init` and `shutdown`, `(func (export "init") (result i32))`, as well.
pub fn actor_with_hooks(code: &str) -> Vec<u8> {
    let hooks = r#"
      (func $init (result (result (error string)))
        (canon lift (core func $main "init") (memory $memory) (realloc $realloc)))
      (func $shutdown (result (result (error string)))
        (canon lift (core func $main "shutdown") (memory $memory) (realloc $realloc)))
      (instance $lifecycle (export "init" (func $init)) (export "shutdown" (func $shutdown)))
      (export "playhouse:actor/lifecycle@0.2.0" (instance $lifecycle))"#;
    component(code, "", hooks)
}

/// As [`actor`], with one more import of the component.
pub fn actor_with_import(import: &str) -> Vec<u8> {
    component(ECHO, import, "")
}

/// As [`actor`], with the function for batches, `(func (export "turns") (param i32 i32) (result i32))`, as well. That function
/// returns the place where its frame's place and length are, and may call `$resolve` and `$hand-over`.
pub fn actor_with_turns(code: &str) -> Vec<u8> {
    let turns = r#"
      (func $turns (param "frame" (list u8)) (result (list u8))
        (canon lift (core func $main "turns") (memory $memory) (realloc $realloc)
          (post-return (core func $libc "reset"))))
      (instance $turns (export "handle" (func $turns)))
      (export "playhouse:actor/turns@0.2.0" (instance $turns))"#;
    component(code, "", turns)
}

pub const ECHO: &str =
    r#"(func (export "handle") (param i32 i32) (result i32) (call $reply (local.get 0) (local.get 1)))"#;

/// As [`actor`], for code that calls `$log`, which the component imports from an interface with this name.
pub fn actor_with_log(code: &str, name: &str) -> Vec<u8> {
    wat::parse_str(text(code, "", "").replace("wasi:logging/logging@0.1.0-draft", name)).unwrap()
}

/// The parts of a component that imports the log.
const LOG: [&str; 4] = [
    r#"
  (import "wasi:logging/logging@0.1.0-draft" (instance $logging
    (type $level (enum "trace" "debug" "info" "warn" "error" "critical"))
    (export "level" (type $level' (eq $level)))
    (export "log" (func (param "level" $level') (param "context" string) (param "message" string)))))"#,
    r#"(core func $log (canon lower (func $logging "log") (memory $memory)))"#,
    r#"(import "host" "log" (func $log (param i32 i32 i32 i32 i32)))"#,
    r#"(export "log" (func $log))"#,
];

fn component(code: &str, imports: &str, exports: &str) -> Vec<u8> {
    wat::parse_str(text(code, imports, exports)).unwrap()
}

fn text(code: &str, imports: &str, exports: &str) -> String {
    let [log_import, log_lower, log_main, log_export] = if code.contains("$log") { LOG } else { [""; 4] };
    format!(
        r#"(component
  {imports}{log_import}
  (import "playhouse:actor/types@0.2.0" (instance $types
    (type $failure (variant (case "reject" string) (case "retry" string)))
    (export "failure" (type (eq $failure)))
    (type $send-error (variant (case "bad-address" string) (case "unknown-address" string)
      (case "not-granted" string) (case "too-large" u64) (case "bad-metadata" string)))
    (export "send-error" (type $send-error' (eq $send-error)))
    (type $ask-error (variant (case "not-sent" $send-error') (case "timeout") (case "deadlock" string)
      (case "no-reply") (case "rejected" string) (case "retries-spent" string) (case "failed" string) (case "crashed" string)
      (case "restarting" string) (case "actor-failed" string) (case "mailbox-full" string)
      (case "stopped" string) (case "stopped-by-operator" string)))
    (export "ask-error" (type (eq $ask-error)))))
  (alias export $types "failure" (type $failure))
  (alias export $types "send-error" (type $send-error))
  (alias export $types "ask-error" (type $ask-error))
  (import "playhouse:actor/kernel@0.2.0" (instance $kernel
    (export "send-error" (type $se (eq $send-error)))
    (export "ask-error" (type $ae (eq $ask-error)))
    (type $envelope (record (field "id" string) (field "sender" (option string)) (field "flow" string)
      (field "hops" u32) (field "attempt" u32) (field "asked" bool) (field "time-left-ms" (option u64))
      (field "sequence" u64) (field "metadata" (list (tuple string string)))))
    (export "envelope" (type $envelope' (eq $envelope)))
    (export "address" (func (result string)))
    (export "incarnation" (func (result u64)))
    (export "config" (func (param "key" string) (result (option string))))
    (export "message" (func (result (option $envelope'))))
    (export "tell" (func (param "to" string) (param "body" (list u8)) (result (result (error $se)))))
    (export "ask" (func (param "to" string) (param "body" (list u8)) (param "timeout-ms" u64)
      (result (result (list u8) (error $ae)))))
    (export "panicked" (func (param "message" string) (param "traceback" (list string))))))
  (import "playhouse:actor/batch@0.2.0" (instance $batch
    (export "send-error" (type $se (eq $send-error)))
    (type $resolved (record (field "route" u32) (field "limit-bytes" u64) (field "lasting" bool)))
    (export "resolved" (type $resolved' (eq $resolved)))
    (export "resolve" (func (param "to" string) (param "message" u32) (result (result $resolved' (error $se)))))
    (export "hand-over" (func (param "frame" (list u8))))))
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))))
  (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
  (import "wasi:io/error@0.2.0" (instance $io-error (export "error" (type (sub resource)))))
  (alias export $io-error "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type $output-stream (sub resource)))
    (export "error" (type $error' (eq $error)))
    (type $stream-error (variant (case "last-operation-failed" (own $error')) (case "closed")))
    (export "stream-error" (type $stream-error' (eq $stream-error)))
    (export "[method]output-stream.blocking-write-and-flush" (func (param "self" (borrow $output-stream))
      (param "contents" (list u8)) (result (result (error $stream-error')))))
    (export "[method]output-stream.write" (func (param "self" (borrow $output-stream))
      (param "contents" (list u8)) (result (result (error $stream-error')))))
    (export "[method]output-stream.write-zeroes" (func (param "self" (borrow $output-stream))
      (param "len" u64) (result (result (error $stream-error')))))))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stderr@0.2.0" (instance $stderr
    (export "output-stream" (type $o (eq $output-stream)))
    (export "get-stderr" (func (result (own $o))))))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (export "output-stream" (type $o (eq $output-stream)))
    (export "get-stdout" (func (result (own $o))))))
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (import "wasi:filesystem/types@0.2.0" (instance $files (export "descriptor" (type (sub resource)))))
  (alias export $files "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (export "descriptor" (type $d (eq $descriptor)))
    (export "get-directories" (func (result (list (tuple (own $d) string)))))))

  (core module $libc
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.get $free)
      (global.set $free (i32.add (global.get $free) (local.get 3))))
    (func (export "reset") (param i32) (global.set $free (i32.const 1024))))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))

  (core func $address (canon lower (func $kernel "address") (memory $memory) (realloc $realloc)))
  (core func $incarnation (canon lower (func $kernel "incarnation")))
  (core func $config (canon lower (func $kernel "config") (memory $memory) (realloc $realloc)))
  (core func $message (canon lower (func $kernel "message") (memory $memory) (realloc $realloc)))
  (core func $tell (canon lower (func $kernel "tell") (memory $memory) (realloc $realloc)))
  (core func $ask (canon lower (func $kernel "ask") (memory $memory) (realloc $realloc)))
  (core func $panicked (canon lower (func $kernel "panicked") (memory $memory)))
  (core func $resolve (canon lower (func $batch "resolve") (memory $memory) (realloc $realloc)))
  (core func $hand-over (canon lower (func $batch "hand-over") (memory $memory)))
  (core func $get-environment (canon lower (func $environment "get-environment") (memory $memory) (realloc $realloc)))
  (core func $get-directories (canon lower (func $preopens "get-directories") (memory $memory) (realloc $realloc)))
  (core func $get-random-bytes (canon lower (func $random "get-random-bytes") (memory $memory) (realloc $realloc)))
  (core func $exit (canon lower (func $exit "exit")))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $get-stderr (canon lower (func $stderr "get-stderr")))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $memory)
    (realloc $realloc)))
  (core func $write-now (canon lower (func $streams "[method]output-stream.write") (memory $memory) (realloc $realloc)))
  (core func $write-zeroes (canon lower (func $streams "[method]output-stream.write-zeroes") (memory $memory)
    (realloc $realloc)))

  {log_lower}

  (core module $main
    (import "libc" "memory" (memory 2))
    (import "host" "address" (func $address (param i32)))
    (import "host" "incarnation" (func $incarnation (result i64)))
    (import "host" "config" (func $config (param i32 i32 i32)))
    (import "host" "message" (func $message (param i32)))
    (import "host" "tell" (func $tell (param i32 i32 i32 i32 i32)))
    (import "host" "ask" (func $ask (param i32 i32 i32 i32 i64 i32)))
    (import "host" "panicked" (func $panicked (param i32 i32 i32 i32)))
    (import "host" "resolve" (func $resolve (param i32 i32 i32 i32)))
    (import "host" "hand-over" (func $hand-over (param i32 i32)))
    (import "host" "get-environment" (func $get-environment (param i32)))
    (import "host" "get-directories" (func $get-directories (param i32)))
    (import "host" "get-random-bytes" (func $get-random-bytes (param i64 i32)))
    (import "host" "exit" (func $exit (param i32)))
    (import "host" "get-stdout" (func $get-stdout (result i32)))
    (import "host" "get-stderr" (func $get-stderr (result i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (import "host" "write-now" (func $write-now (param i32 i32 i32 i32)))
    (import "host" "write-zeroes" (func $write-zeroes (param i32 i64 i32)))
    {log_main}
    (func $result (param $failed i32) (param $case i32) (param $text i32) (param $len i32) (result i32)
      (i32.store8 (i32.const 0) (local.get $failed))
      (i32.store8 (i32.const 4) (local.get $case))
      (i32.store (i32.const 8) (local.get $text))
      (i32.store (i32.const 12) (local.get $len))
      (i32.const 0))
    (func $reply (param i32 i32) (result i32)
      (call $result (i32.const 0) (i32.const 1) (local.get 0) (local.get 1)))
    (func $done (result i32) (call $result (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
    (func $reject (param i32 i32) (result i32)
      (call $result (i32.const 1) (i32.const 0) (local.get 0) (local.get 1)))
    {code})
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "address" (func $address)) (export "incarnation" (func $incarnation))
      (export "config" (func $config)) (export "message" (func $message))
      (export "tell" (func $tell)) (export "ask" (func $ask)) (export "panicked" (func $panicked))
      (export "resolve" (func $resolve)) (export "hand-over" (func $hand-over))
      (export "get-environment" (func $get-environment)) (export "get-directories" (func $get-directories))
      (export "get-random-bytes" (func $get-random-bytes)) (export "exit" (func $exit)) (export "get-stdout" (func $get-stdout))
      (export "get-stderr" (func $get-stderr)) (export "write" (func $write))
      (export "write-now" (func $write-now)) (export "write-zeroes" (func $write-zeroes))
      {log_export}))))

  (func $handle (param "body" (list u8)) (result (result (option (list u8)) (error $failure)))
    (canon lift (core func $main "handle") (memory $memory) (realloc $realloc) (post-return (core func $libc "reset"))))
  (instance $handler (export "msg-handler" (func $handle)))
  (export "playhouse:actor/handler@0.2.0" (instance $handler))
  {exports})"#
    )
}
