;; Answers with an operation that there is not.
(func (export "handle") (param i32 i32) (result i32) (call $reply (local.get 0) (local.get 1)))
(data (i32.const 700) "\00\00\00\00\63\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\03\00")
(func (export "turns") (param i32 i32) (result i32)
  (i32.store (i32.const 0) (i32.const 700))
  (i32.store (i32.const 4) (i32.const 24))
  (i32.const 0))
