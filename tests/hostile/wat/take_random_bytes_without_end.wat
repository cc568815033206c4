;; Wants a terabyte of random bytes.
(func (export "handle") (param i32 i32) (result i32)
  (call $get-random-bytes (i64.const 0x10000000000) (i32.const 500))
  (call $done))
