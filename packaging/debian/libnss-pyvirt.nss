hosts after=files pyvirt [TRYAGAIN=return]
