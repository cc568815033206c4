;; Loops in fills of its whole memory.
(func (export "handle") (param i32 i32) (result i32)
  (drop (memory.grow (i32.const 200)))
  (loop
    (memory.fill (i32.const 0) (i32.const 7) (i32.mul (memory.size) (i32.const 65536)))
    (br 0))
  (unreachable))
