;; Hands over sends, again and again, without an end to its turn.
(func (export "handle") (param i32 i32) (result i32) (call $reply (local.get 0) (local.get 1)))
(data (i32.const 600) "/neighbour")
(data (i32.const 8192) "\00\10\00\00\01\00\00\00\00\00\00\00\00\00\00\00")
(data (i32.const 12352) "\00\00\00\00\00\00\03\00")
(func (export "turns") (param i32 i32) (result i32)
  (call $resolve (i32.const 600) (i32.const 10) (i32.const 0) (i32.const 504))
  (loop (call $hand-over (i32.const 8192) (i32.const 4168)) (br 0))
  (unreachable))
