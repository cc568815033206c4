;; Calls a function that is none.
(table $none 1 funcref)
(func (export "handle") (param i32 i32) (result i32)
  (call_indirect $none (result i32) (i32.const 0)))
