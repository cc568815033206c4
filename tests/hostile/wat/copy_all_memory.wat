;; Loops in copies of its whole memory, of which no single one can be interrupted.
(func (export "handle") (param i32 i32) (result i32)
  (drop (memory.grow (i32.const 200)))
  (loop
    (memory.copy (i32.const 0) (i32.const 1) (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)))
    (br 0))
  (unreachable))
