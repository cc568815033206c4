;; Sends to an address that is no text.
(data (i32.const 100) "\ff\fe")
(func (export "handle") (param i32 i32) (result i32)
  (call $tell (i32.const 100) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 504))
  (call $done))
