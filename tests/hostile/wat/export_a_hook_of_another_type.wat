;; Exports `init` as a function that returns a number.
(component
  (core module $main
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "handle") (param i32 i32) (result i32) (i32.const 0))
    (func (export "init") (result i32) (i32.const 0)))
  (core instance $main (instantiate $main))
  (alias core export $main "memory" (core memory $memory))
  (alias core export $main "realloc" (core func $realloc))
  (import "playhouse:actor/types@0.2.0" (instance $types
    (type $failure (variant (case "reject" string) (case "retry" string)))
    (export "failure" (type (eq $failure)))))
  (alias export $types "failure" (type $failure))
  (func $handle (param "body" (list u8)) (result (result (option (list u8)) (error $failure)))
    (canon lift (core func $main "handle") (memory $memory) (realloc $realloc)))
  (instance $handler (export "msg-handler" (func $handle)))
  (export "playhouse:actor/handler@0.2.0" (instance $handler))
  (func $init (result u32) (canon lift (core func $main "init")))
  (func $shutdown (result u32) (canon lift (core func $main "init")))
  (instance $lifecycle (export "init" (func $init)) (export "shutdown" (func $shutdown)))
  (export "playhouse:actor/lifecycle@0.2.0" (instance $lifecycle)))
