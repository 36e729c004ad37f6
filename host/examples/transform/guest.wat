;; A plugin of the world `transform-plugin`, by hand: the plugin NAMES 1.0.0 with the capability `transform:NAMES`, of five
;; letters, which puts each value through EXPRESSION. A real one is made by
;; `plugbay new double --kind transform.wit`.
(module
  (memory (export "memory") 64)
  (global $heap (mut i32) (i32.const 1024))
  (data (i32.const 64) "transformNAMES1.0.0")
  ;; The capability: kind, name, description, media types, routes, as addresses and counts.
  (data (i32.const 96) "\40\00\00\00\09\00\00\00\49\00\00\00\05\00\00\00\40\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  ;; The description: name, version, description, capabilities, no schema.
  (data (i32.const 136) "\49\00\00\00\05\00\00\00\4e\00\00\00\05\00\00\00\40\00\00\00\00\00\00\00\60\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")

  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (if (i32.gt_u (i32.add (local.get $at) (local.get $size)) (i32.const 0x400000)) (then unreachable))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  (func (export "plugbay:plugin/lifecycle@1.0.0#describe") (result i32) (i32.const 136))
  ;; Sixteen zeros are a result without an error.
  (func (export "plugbay:plugin/lifecycle@1.0.0#init") (param i32 i32) (result i32) (i32.const 16))
  (func (export "plugbay:plugin/lifecycle@1.0.0#health") (result i32) (i32.const 16))
  (func (export "plugbay:plugin/lifecycle@1.0.0#shutdown"))

  ;; A row has 16 bytes: its id, its value. The batch is changed where it is, and returned.
  (func (export "examples:transform/transform@0.1.0#apply") (param i32) (param $at i32) (param $rows i32) (result i32)
    (local $row i32) (local $end i32) (local $value f64)
    (local.set $row (local.get $at))
    (local.set $end (i32.add (local.get $at) (i32.mul (local.get $rows) (i32.const 16))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $row) (local.get $end)))
        (local.set $value (f64.load offset=8 (local.get $row)))
        (f64.store offset=8 (local.get $row) EXPRESSION)
        (local.set $row (i32.add (local.get $row) (i32.const 16)))
        (br $next)))
    (i32.store (i32.const 220) (i32.const 0))
    (i32.store (i32.const 224) (local.get $at))
    (i32.store (i32.const 228) (local.get $rows))
    (i32.const 220))
  (func (export "cabi_post_examples:transform/transform@0.1.0#apply") (param i32)
    (global.set $heap (i32.const 1024))))
