;; An actor that replies with the body of each message, as a component without a compiler. The example in `src/lib.rs` runs it.
(component
  (import "playhouse:actor/types@0.2.0" (instance $types
    (type $failure (variant (case "reject" string) (case "retry" string)))
    (export "failure" (type (eq $failure)))))
  (alias export $types "failure" (type $failure))
  (core module $code
    (memory (export "memory") 1)
    ;; The host puts the body here; a body of more than 60,000 bytes is a trap.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (if (i32.gt_u (local.get 3) (i32.const 60000)) (then unreachable))
      (i32.const 16))
    ;; Ok(Some(body)): both tags, then the place and the length of the reply.
    (func (export "msg-handler") (param $body i32) (param $bytes i32) (result i32)
      (i32.store8 (i32.const 0) (i32.const 0))
      (i32.store8 (i32.const 4) (i32.const 1))
      (i32.store (i32.const 8) (local.get $body))
      (i32.store (i32.const 12) (local.get $bytes))
      (i32.const 0)))
  (core instance $code (instantiate $code))
  (alias core export $code "memory" (core memory $memory))
  (alias core export $code "realloc" (core func $realloc))
  (func $msg-handler (param "body" (list u8)) (result (result (option (list u8)) (error $failure)))
    (canon lift (core func $code "msg-handler") (memory $memory) (realloc $realloc)))
  (instance $handler (export "msg-handler" (func $msg-handler)))
  (export "playhouse:actor/handler@0.2.0" (instance $handler)))
