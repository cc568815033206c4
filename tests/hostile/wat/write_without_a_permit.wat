;; Writes to stdout without end, and never asks how much it may write.
(func (export "handle") (param i32 i32) (result i32)
  (local $out i32)
  (local.set $out (call $get-stdout))
  (loop (call $write-now (local.get $out) (i32.const 1024) (i32.const 65536) (i32.const 500)) (br 0))
  (unreachable))
