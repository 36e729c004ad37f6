//! What [`export!`](crate::export) writes for a component.

/// The exports of a component: the lifecycle, and the interface of each kind.
#[doc(hidden)]
#[macro_export]
macro_rules! __form {
    // Only kinds of applications, whose modules export their interfaces: no world of a kind has the lifecycle.
    (($plugin:ident) []) => {
        $crate::__form! { ($plugin) }
        $crate::__world_base_plugin!();
    };
    (($plugin:ident) [$($kind:ident)+]) => {
        $crate::__form! { ($plugin) }
        $($crate::__kind!($kind component PlugbayComponent);)+
    };
    (($plugin:ident)) => {
        impl $crate::__private::InstanceCell for $plugin {
            fn cell() -> &'static ::std::sync::OnceLock<Self> {
                static CELL: ::std::sync::OnceLock<$plugin> = ::std::sync::OnceLock::new();
                &CELL
            }
        }
        type PlugbayComponent = $crate::__private::Component<$plugin>;
        $crate::__export_plugbay_plugin_lifecycle_1_0_0_cabi!(PlugbayComponent with_types_in
            $crate::__private::bindings::exports::plugbay::plugin::lifecycle);
    };
}
