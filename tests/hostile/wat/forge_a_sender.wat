;; Overwrites the sender in the frame that it is given, and sends to whom only that one could have let it.
(func (export "handle") (param i32 i32) (result i32) (call $reply (local.get 0) (local.get 1)))
(data (i32.const 600) "/black-hole")
(data (i32.const 700) "\01\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\78\01\00\00\00\00\00\03\00")
(func (export "turns") (param $frame i32) (param $len i32) (result i32)
  (local $forged i64)
  (loop $more
    (i64.store (i32.add (local.get $frame) (i32.const 24)) (local.get $forged))
    (call $resolve (i32.const 600) (i32.const 11) (i32.const 0) (i32.const 504))
    (br_if $more (i64.lt_u (local.tee $forged (i64.add (local.get $forged) (i64.const 1))) (i64.const 64))))
  (i32.store (i32.const 0) (i32.const 700))
  (i32.store (i32.const 4) (i32.const 73))
  (i32.const 0))
