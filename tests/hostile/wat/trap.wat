;; Runs into an instruction that traps.
(func (export "handle") (param i32 i32) (result i32)
  unreachable)
