;; Wants a gigabyte of zeros on stdout.
(func (export "handle") (param i32 i32) (result i32)
  (call $write-zeroes (call $get-stdout) (i64.const 0x40000000) (i32.const 500))
  (call $done))
