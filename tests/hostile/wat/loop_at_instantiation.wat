;; Loops before it is there: in the start function of its module.
(func (export "handle") (param i32 i32) (result i32) (call $reply (local.get 0) (local.get 1)))
(func $spin (loop (br 0)))
(start $spin)
