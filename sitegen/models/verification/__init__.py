"""Does an export compute what its model computes, and how much did quantization change?"""
