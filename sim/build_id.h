/*
 * Which build of the program runs: the note that the linker leaves in it.
 */
#pragma once

/* Hexadecimal, for g_free(); "" if the linker left none. */
char *build_id(void);
