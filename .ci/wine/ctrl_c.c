/* Presses Ctrl-C in its console, which tests of `signal` need: safe Rust can't. With an argument it does
   nothing, so a test can check that the program exists. */
#include <windows.h>

int main(int count, char **arguments) {
    (void)arguments;
    if (count > 1)
        return 0;
    /* This program ignores it. */
    return SetConsoleCtrlHandler(NULL, TRUE) && GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) ? 0 : 1;
}
