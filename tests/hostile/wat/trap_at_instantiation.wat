;; Traps before it is there.
(func (export "handle") (param i32 i32) (result i32) (call $reply (local.get 0) (local.get 1)))
(func $trap unreachable)
(start $trap)
