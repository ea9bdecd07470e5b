/* The DLL from which Rust's standard library takes its random numbers. Wine before 9.0 has none. */
#include <windows.h>

/* RtlGenRandom, under the name that advapi32.dll exports. */
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(BYTE *buffer, SIZE_T length)
{
    return SystemFunction036(buffer, (ULONG)length);
}
