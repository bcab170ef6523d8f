// SPDX-License-Identifier: Apache-2.0
// Calls of functions of sparse tensors that must be refused,
// every function at least three times, with a part of the message.

#include "outline.hpp"

#include <rill/ops/sparse.hpp>

using namespace rill;
using namespace rill::test;

namespace {

outline l(const tensor_shape& s) { return {{dtype::int64, s}}; }
sparse_value<outline> sparse(const outline& indices, const outline& values, const tensor_shape& shape) { return {indices, values, shape}; }

const refusal rows[] = {
    RILL_REFUSE("SparseToDense: indices must be int32 or int64 and have at most 2 axes", sparse_to_dense(f({3, 2}), {4, 4}, f({3}))),
    RILL_REFUSE("SparseToDense: the indices do not have one column per axis of the dense shape", sparse_to_dense(i({3, 3}), {4, 4}, f({3}))),
    RILL_REFUSE("SparseToDense: the values must be one per index, or a scalar", sparse_to_dense(i({3, 2}), {4, 4}, f({2}))),
    RILL_REFUSE("SparseToDense: a sparse tensor needs indices int64[n, rank] and values [n]", sparse_tensor_to_dense(sparse(f({3, 2}), f({3}), {4, 4}))),
    RILL_REFUSE("SparseToDense: the indices do not have one column per axis of the dense shape", sparse_tensor_to_dense(sparse(l({3, 1}), f({3}), {4, 4}))),
    RILL_REFUSE("SparseToDense: a sparse tensor needs as many indices as values", sparse_tensor_to_dense(sparse(l({2, 2}), f({3}), {4, 4}))),
    RILL_REFUSE("SparseReorder: a sparse tensor needs indices int64[n, rank] and values [n]", sparse_reorder(sparse(f({3, 2}), f({3}), {4, 4}))),
    RILL_REFUSE("SparseReorder: the indices do not have one column per axis of the dense shape", sparse_reorder(sparse(l({3, 1}), f({3}), {4, 4}))),
    RILL_REFUSE("SparseReorder: a sparse tensor needs as many indices as values", sparse_reorder(sparse(l({2, 2}), f({3}), {4, 4}))),
    RILL_REFUSE("SparseTranspose: needs a permutation of the axes", sparse_transpose(sparse(l({3, 2}), f({3}), {4, 4}), {0, 0})),
    RILL_REFUSE("SparseTranspose: needs a permutation of the axes", sparse_transpose(sparse(l({3, 2}), f({3}), {4, 4}), {0})),
    RILL_REFUSE("SparseTranspose: the indices do not have one column per axis of the dense shape", sparse_transpose(sparse(l({3, 1}), f({3}), {4, 4}))),
    RILL_REFUSE("SparseReshape: the number of elements differs", sparse_reshape(sparse(l({3, 2}), f({3}), {4, 4}), {5})),
    RILL_REFUSE("SparseReshape: at most one extent may be -1", sparse_reshape(sparse(l({3, 2}), f({3}), {4, 4}), {-1, -1})),
    RILL_REFUSE("SparseReshape: the indices do not have one column per axis of the dense shape", sparse_reshape(sparse(l({3, 1}), f({3}), {4, 4}), {16})),
    RILL_REFUSE("SparseResetShape: the new shape must have the old one's rank and no smaller extents", sparse_reset_shape(sparse(l({3, 2}), f({3}), {4, 4}), {3, 4})),
    RILL_REFUSE("SparseResetShape: the new shape must have the old one's rank and no smaller extents", sparse_reset_shape(sparse(l({3, 2}), f({3}), {4, 4}), {4})),
    RILL_REFUSE("SparseResetShape: the indices do not have one column per axis of the dense shape", sparse_reset_shape(sparse(l({3, 1}), f({3}), {4, 4}), {4, 4})),
    RILL_REFUSE("SparseConcat: shapes differ besides the axis", sparse_concat({sparse(l({3, 2}), f({3}), {4, 4}), sparse(l({3, 2}), f({3}), {4, 5})})),
    RILL_REFUSE("SparseConcat: dtypes differ", sparse_concat({sparse(l({3, 2}), f({3}), {4, 4}), sparse(l({3, 2}), d({3}), {4, 4})})),
    RILL_REFUSE("SparseConcat: axis out of range", sparse_concat({sparse(l({3, 2}), f({3}), {4, 4})}, {.axis = 2})),
    RILL_REFUSE("SparseToIndicator: needs ids of int32 or int64", sparse_to_indicator(sparse(l({3, 2}), f({3}), {4, 4}), 5)),
    RILL_REFUSE("SparseToIndicator: vocab_size is negative", sparse_to_indicator(sparse(l({3, 2}), i({3}), {4, 4}), -1)),
    RILL_REFUSE("SparseToIndicator: the indices do not have one column per axis of the dense shape", sparse_to_indicator(sparse(l({3, 1}), i({3}), {4, 4}), 5)),
    RILL_REFUSE("SparseTensorDenseAdd: the shapes differ", sparse_add(sparse(l({3, 2}), f({3}), {4, 4}), f({4, 5}))),
    RILL_REFUSE("TensorScatter: dtypes differ", sparse_add(sparse(l({3, 2}), f({3}), {4, 4}), d({4, 4}))),
    RILL_REFUSE("SparseTensorDenseAdd: the indices do not have one column per axis of the dense shape", sparse_add(sparse(l({3, 1}), f({3}), {4, 4}), f({4, 4}))),
    RILL_REFUSE("SparseDenseCwise: the dense operand must be of the same dtype and broadcast to the sparse one", sparse_dense_cwise_mul(sparse(l({3, 2}), f({3}), {4, 4}), f({3, 4}))),
    RILL_REFUSE("SparseDenseCwise: the dense operand must be of the same dtype and broadcast to the sparse one", sparse_dense_cwise_mul(sparse(l({3, 2}), f({3}), {4, 4}), d({4, 4}))),
    RILL_REFUSE("SparseDenseCwise: the indices do not have one column per axis of the dense shape", sparse_dense_cwise_mul(sparse(l({3, 1}), f({3}), {4, 4}), f({4, 4}))),
    RILL_REFUSE("SparseDenseCwise: the dense operand must be of the same dtype and broadcast to the sparse one", sparse_dense_cwise_div(sparse(l({3, 2}), f({3}), {4, 4}), f({3, 4}))),
    RILL_REFUSE("SparseDenseCwise: the dense operand must be of the same dtype and broadcast to the sparse one", sparse_dense_cwise_div(sparse(l({3, 2}), f({3}), {4, 4}), d({4, 4}))),
    RILL_REFUSE("SparseDenseCwise: the indices do not have one column per axis of the dense shape", sparse_dense_cwise_div(sparse(l({3, 1}), f({3}), {4, 4}), f({4, 4}))),
    RILL_REFUSE("SparseDenseCwise: the dense operand must be of the same dtype and broadcast to the sparse one", sparse_dense_cwise_add(sparse(l({3, 2}), f({3}), {4, 4}), f({3, 4}))),
    RILL_REFUSE("SparseDenseCwise: the dense operand must be of the same dtype and broadcast to the sparse one", sparse_dense_cwise_add(sparse(l({3, 2}), f({3}), {4, 4}), d({4, 4}))),
    RILL_REFUSE("SparseDenseCwise: the indices do not have one column per axis of the dense shape", sparse_dense_cwise_add(sparse(l({3, 1}), f({3}), {4, 4}), f({4, 4}))),
    RILL_REFUSE("SparseTensorDenseMatMul: inner dimensions differ", sparse_tensor_dense_matmul(sparse(l({3, 2}), f({3}), {4, 4}), f({3, 4}))),
    RILL_REFUSE("SparseTensorDenseMatMul: dtypes differ", sparse_tensor_dense_matmul(sparse(l({3, 2}), f({3}), {4, 4}), d({4, 4}))),
    RILL_REFUSE("SparseTensorDenseMatMul: operands must be matrices", sparse_tensor_dense_matmul(sparse(l({3, 1}), f({3}), {4}), f({4, 4}))),
    RILL_REFUSE("SparseSoftmax: needs a floating-point matrix or a batch of them", sparse_softmax(sparse(l({3, 2}), i({3}), {4, 4}))),
    RILL_REFUSE("SparseSoftmax: needs a floating-point matrix or a batch of them", sparse_softmax(sparse(l({3, 1}), f({3}), {4}))),
    RILL_REFUSE("SparseSoftmax: a sparse tensor needs as many indices as values", sparse_softmax(sparse(l({2, 2}), f({3}), {4, 4}))),
    RILL_REFUSE("SparseReduceSum: axis out of range", sparse_reduce_sum(sparse(l({3, 2}), f({3}), {4, 4}), {.axis = {2}})),
    RILL_REFUSE("ScatterNd: these elements cannot be added", sparse_reduce_sum(sparse(l({3, 2}), t({3}), {4, 4}))),
    RILL_REFUSE("SparseReduceSum: the indices do not have one column per axis of the dense shape", sparse_reduce_sum(sparse(l({3, 1}), f({3}), {4, 4}))),
    RILL_REFUSE("SparseReduceMax: axis out of range", sparse_reduce_max(sparse(l({3, 2}), f({3}), {4, 4}), {.axis = {-3}})),
    RILL_REFUSE("SparseReduceMax: needs numbers that have an order", sparse_reduce_max(sparse(l({3, 2}), c({3}), {4, 4}))),
    RILL_REFUSE("SparseReduceMax: the indices do not have one column per axis of the dense shape", sparse_reduce_max(sparse(l({3, 1}), f({3}), {4, 4}))),
    RILL_REFUSE("EmbeddingLookupSparse: needs ids of int32 or int64 and of at least two axes", embedding_lookup_sparse(f({4, 2}), sparse(l({3, 2}), f({3}), {4, 4}))),
    RILL_REFUSE("EmbeddingLookupSparse: needs a table of floating-point rows", embedding_lookup_sparse(f({}), sparse(l({3, 2}), i({3}), {4, 4}))),
    RILL_REFUSE("EmbeddingLookupSparse: the indices do not have one column per axis of the dense shape", embedding_lookup_sparse(f({4, 2}), sparse(l({3, 1}), i({3}), {4, 4}))),
    RILL_REFUSE("SafeEmbeddingLookupSparse: needs ids of int32 or int64 and of at least two axes", safe_embedding_lookup_sparse(f({4, 2}), sparse(l({3, 2}), f({3}), {4, 4}))),
    RILL_REFUSE("SafeEmbeddingLookupSparse: needs a table of floating-point rows", safe_embedding_lookup_sparse(f({}), sparse(l({3, 2}), i({3}), {4, 4}))),
    RILL_REFUSE("SafeEmbeddingLookupSparse: the indices do not have one column per axis of the dense shape", safe_embedding_lookup_sparse(f({4, 2}), sparse(l({3, 1}), i({3}), {4, 4}))),
};

}  // namespace

TEST_CASE("refusals: sparse tensors") { check_refusals(rows); }
