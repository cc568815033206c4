;; Has nearly four gigabytes of memory from the beginning.
(component
  (core module $main
    (memory (export "memory") 60000)
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
  (export "playhouse:actor/handler@0.2.0" (instance $handler)))
