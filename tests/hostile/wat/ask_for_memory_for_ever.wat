;; Asks for memory without end, whatever it is told.
(func (export "handle") (param i32 i32) (result i32)
  (loop (drop (memory.grow (i32.const 100))) (br 0))
  (unreachable))
