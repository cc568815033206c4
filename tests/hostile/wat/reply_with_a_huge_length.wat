;; Says that its reply is two gigabytes long.
(func (export "handle") (param i32 i32) (result i32)
  (call $reply (i32.const 16) (i32.const 0x7fffffff)))
