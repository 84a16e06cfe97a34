/* Exponential, sigmoid and tanh against libm in float64: within so many units in the last place. */
#include <math.h>
#include <stdio.h>

#include "kernels.h"
#include "kernels/exponential.h"

static double largest;

/* Take note of an error, in units in the last place of the float nearest to `exact`. */
static void compare(float got, double exact) {
    const float nearest = (float)exact;
    const double unit = (double)nextafterf(fabsf(nearest), INFINITY) - (double)fabsf(nearest);
    const double error = fabs((double)got - exact) / unit;
    if (!(error <= largest)) largest = error; /* NaN too */
}

static int report(const char *name, double bound) {
    const int wrong = !(largest <= bound);
    printf("%s: at most %.2f ulp%s\n", name, largest, wrong ? ", too much" : "");
    largest = 0;
    return wrong;
}

static int check_edges(void) {
    const float edges[] = {-INFINITY, -88.0f, 0.0f, -0.0f, 89.0f, INFINITY};
    const float exponentials[] = {0, 0, 1, 1, INFINITY, INFINITY};
    float sigmoids[6], tangents[6];
    int wrong = !isnan(exponential(NAN));
    strop_plain_kernels.sigmoid(6, edges, sigmoids);
    strop_plain_kernels.tanh(6, edges, tangents);
    for (int i = 0; i < 6; i++) wrong += exponential(edges[i]) != exponentials[i];
    wrong += sigmoids[0] != 0.0f || sigmoids[2] != 0.5f || sigmoids[5] != 1.0f;
    wrong += tangents[0] != -1.0f || tangents[5] != 1.0f || signbit(tangents[2]) ||
             !signbit(tangents[3]);
    return wrong;
}

int main(void) {
    const float step = 1.0f / 4096.0f;
    int wrong = check_edges();
    for (float x = -87.0f; x <= 88.0f; x += step) compare(exponential(x), exp(x));
    wrong += report("exponential", 1.0);
    for (float x = -80.0f; x <= 20.0f; x += step) {
        float y;
        strop_plain_kernels.sigmoid(1, &x, &y);
        compare(y, 1.0 / (1.0 + exp(-(double)x)));
    }
    wrong += report("sigmoid", 3.0);
    for (float x = -12.0f; x <= 12.0f; x += step) {
        float y;
        strop_plain_kernels.tanh(1, &x, &y);
        compare(y, tanh(x));
    }
    wrong += report("tanh", 2.0);
    return wrong != 0;
}
