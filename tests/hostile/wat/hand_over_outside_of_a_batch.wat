;; Hands over a frame while it has no batch in hand.
(data (i32.const 700) "\01\00\00\00\00\00\03\00")
(func (export "handle") (param i32 i32) (result i32)
  (call $hand-over (i32.const 700) (i32.const 8))
  (call $done))
