//! The table of interrupts: one that never comes. Without a device's own table, that of all 240 would stand in flash.

// SAFETY: cortex-m-rt places this section behind the exceptions and asks for at least one entry under this name; no
// interrupt is ever enabled, so none is taken from it.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [usize; 1] = [0];
