;; Answers with an operation that says it is four gigabytes long.
(func (export "handle") (param i32 i32) (result i32) (call $reply (local.get 0) (local.get 1)))
(data (i32.const 600) "/neighbour")
(data (i32.const 700) "\f0\ff\ff\ff\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\78\01\00\00\00\00\00\03\00")
(func (export "turns") (param i32 i32) (result i32)
  (call $resolve (i32.const 600) (i32.const 10) (i32.const 0) (i32.const 504))
  (i32.store (i32.const 0) (i32.const 700))
  (i32.store (i32.const 4) (i32.const 73))
  (i32.const 0))
