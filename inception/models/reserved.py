"""Names that no stage, branch or layer can have. A test holds them to what the classes have."""

# attributes of torch's Module, Sequential and ModuleDict, which hold the layers by name
_MODULE = """
add_module append apply bfloat16 buffers call_super_init children clear compile cpu cuda double
dump_patches eval extend extra_repr float forward get_buffer get_extra_state get_parameter
get_submodule half insert ipu items keys load_state_dict modules mtia named_buffers named_children
named_modules named_parameters parameters pop register_backward_hook register_buffer
register_forward_hook register_forward_pre_hook register_full_backward_hook
register_full_backward_pre_hook register_load_state_dict_post_hook
register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict
to to_empty train training type update values xpu zero_grad
"""

# attributes of InceptionNet, which holds the stages by name
_NETWORK = """
aux checkpoint_activations classifier embed features forward image_size logits_layers num_features
pooling_json reset_classifier smallest_size spec stage_channels stage_strides trained_classifier
"""

MODULE_NAMES = frozenset(_MODULE.split())
NETWORK_NAMES = frozenset(_NETWORK.split())
