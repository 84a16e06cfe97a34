/* Include this first where there are floats: it keeps products and sums apart.
 *
 * A fused multiply-add rounds once where the model was proven with two roundings. The pragmas hold
 * whatever the flags of a project say, but for -ffast-math. */
#ifndef STROP_EXACT_H
#define STROP_EXACT_H

#ifdef __FAST_MATH__
#error "the model was proven without -ffast-math: compile it without"
#endif

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#endif
