;; Lets a table grow until it may not.
(table $t 1 funcref)
(func (export "handle") (param i32 i32) (result i32)
  (loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))
  (unreachable))
