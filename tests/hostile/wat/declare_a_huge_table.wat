;; Has a table of ten million elements from the beginning.
(func (export "handle") (param i32 i32) (result i32) (call $reply (local.get 0) (local.get 1)))
(table 10000000 funcref)
